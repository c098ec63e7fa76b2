"""`npmoji serve`: a page and a JSON API for one model, requests that arrive together computed together."""
