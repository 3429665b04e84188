"""The commands, one file each: `NAME`, `SUMMARY`, `add_arguments(parser)`, `run(args, door)`."""
