//! Every call that a good run makes goes wrong, in every way that calls go wrong.
