"""The pieces of work, one module each; `work` gives who does it and what is to be reached."""
