"""Single mistakes put into the backward of a user's Function, to see whether the user's tests notice them."""
