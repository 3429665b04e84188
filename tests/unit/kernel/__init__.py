"""The kernel's promises, one by one."""
