"""How a server talks with the regions it exchanges records with."""
