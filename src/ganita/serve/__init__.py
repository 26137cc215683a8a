"""The model behind HTTP: an OpenAI-compatible API and a small page, within stated limits.

limits.py     what one request may cost, in bytes, tokens, places in the queue and seconds
requests.py   a JSON body becomes a question with its settings, or a refusal that says why
engine.py     one thread that runs the model over a bounded queue; jobs that can be given up
replies.py    answers in the shapes that OpenAI clients read, whole or as a stream
app.py        the routes (needs the extra `serve`)
server.py     `serve`: load, bind, run, stop cleanly
page.html     ask a problem, see its steps appear
"""
