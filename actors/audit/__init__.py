"""Who did what, kept so that no change of it goes unseen."""
