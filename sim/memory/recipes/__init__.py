"""Settings of training frameworks when their documentation is followed."""
