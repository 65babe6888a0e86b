"""Where the contexts become processes: the API server, the worker, the command line."""
