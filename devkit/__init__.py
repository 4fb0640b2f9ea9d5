"""What `./dev` is made of: fetch what is missing, then run, test, measure. Standard library only."""
