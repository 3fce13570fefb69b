"""Mutation score: would the harness notice if the design were wrong in one place?"""
