"""Any Sequential or Functional Keras model from what its file says of it.

config.py   the `model_config`, in whatever dialect, to one plain description
place.py    what a class is to us, and where in a network one of its layers is made
classes.py  Keras' layer classes in terms of ours
choices.py  attention layers of one name that several authors wrote
known.py    all of these, and the caller's own: `register_layer`
graph.py    description and weights to a graph of our layers
"""
