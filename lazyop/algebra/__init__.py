"""What operators do with each other: composites, their neutral elements, and the normal form."""
