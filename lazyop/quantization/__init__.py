"""Butterflies whose entries are numbers of few bits, chosen for the least error of the product."""
