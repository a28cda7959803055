"""The words of pages, commands and tables, in Chinese and English."""
