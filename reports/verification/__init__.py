"""Report section: is every unit right?"""
