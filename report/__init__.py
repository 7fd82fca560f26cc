"""The living documentation: from what behave ran to one page that anyone can open."""
