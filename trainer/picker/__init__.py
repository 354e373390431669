"""The picker: a page on this machine on which a person chooses the factor of input rescaling."""
