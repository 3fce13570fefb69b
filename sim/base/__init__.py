"""Provide what all of ``sim`` builds on: errors, files, results and their cache, processes."""
