"""What every room of ``sim`` stands on: errors, results and their cache, parallel work."""
