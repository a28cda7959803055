"""The federation file: which regions trust each other, signed."""
