"""moby-counter: a web page where each click places a whale, kept in Redis or Postgres."""
