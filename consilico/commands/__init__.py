"""The commands of the command line, each thin: arguments in, one call, a table or JSON out."""
