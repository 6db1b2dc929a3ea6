"""From a black-box function to a checked butterfly operator that takes its place."""
