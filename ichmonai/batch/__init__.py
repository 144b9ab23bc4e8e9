"""Batch prediction: from any inputs to tables of studies, slices and rejections.

Nothing is imported here, so that worker processes load only what they use.
"""
