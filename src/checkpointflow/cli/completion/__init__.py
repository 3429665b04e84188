"""Completion in shells: the words of every command from its parser, put into one script per shell."""
