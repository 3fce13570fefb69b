"""Report section: synthesis, area by module and purpose, equivalence."""
