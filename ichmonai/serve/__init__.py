"""The answers on a web page of one's own machine: uploads, worklist, studies, and what readers say of them."""
