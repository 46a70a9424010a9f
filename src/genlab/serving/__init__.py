"""A trained model behind one call, in MLflow's form: what is asked (`requests`), and the file that MLflow runs (`script`)."""
