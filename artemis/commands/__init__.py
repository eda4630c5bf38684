"""Groups of commands of the command line that need no Prefect.

The only place of the library that knows Typer; nothing but ``cli.py`` imports it.
"""
