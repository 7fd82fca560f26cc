"""Any Docker volume driver, judged by 35 behaviours at three levels."""
