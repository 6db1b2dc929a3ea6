"""Butterfly operators, their patterns and chains."""
