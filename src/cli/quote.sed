# A text becomes a C string, line by line.
s/[\\"]/\\&/g
s/^/"/
s/$/\\n"/
