"""What every room of ``sim`` stands on: errors, files, results and their cache, processes."""
