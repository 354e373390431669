"""The picker: a local web page on which the user chooses the factor of the input rescaling."""
