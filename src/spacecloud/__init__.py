"""Space Cloud: declare services; the platform runs them, connects them and polices who may call whom."""
