"""Networks in torch; only training and export need them."""

from LiverTumorAILib.networks.unet3d import UNet3D

__all__ = ["UNet3D"]
