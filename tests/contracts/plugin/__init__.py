"""A package of somebody else: one component of each kind and a metric, each as short as CONTRIBUTING says."""
