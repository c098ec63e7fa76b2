"""Why this class: each word's attention and contribution, in a terminal, a notebook and a page."""
