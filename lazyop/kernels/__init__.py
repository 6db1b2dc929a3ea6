"""The only inner loops of the library, and the choice among them."""
