"""What is right: configurations, number formats, bit-exact models, trainable modules."""
