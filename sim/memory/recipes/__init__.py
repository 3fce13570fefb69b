"""What training frameworks do when their documentation is followed, as settings of a run."""
