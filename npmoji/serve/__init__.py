"""`npmoji serve`: a page and a JSON API for one model, requests that arrive together computed together.

limits.py       what a server takes at most
server.py       its start and end: socket, uvicorn, signals, standard error
connections.py  below the application: slow clients, too many clients, what is no HTTP
guards.py       around the application: who may ask, headers, errors, log; hosts.py: the names of the server
app.py          the paths, and a request's way through the following
requests.py     bodies: strict JSON, its fields, their bounds
answers.py      the rows that a request needs, and the answer made of their results
batching.py     the queue: rows of several requests computed together, by one thread
refusals.py     answers that are errors
static.py       the files of the page: page.html, page.css, page.js, explanation.js, favicon.svg, and the shared styles
openapi.py      the description of the API; docs_page.py: the same for people, with docs.css

app, connections and server import Starlette and uvicorn; nothing imports them but `npmoji serve`.
"""
