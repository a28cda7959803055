"""`yongzhi federation`: make, check and install the federation file, and recognise peers."""
