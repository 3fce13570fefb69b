"""Report section: accuracy and cost of the ConSmax units."""
