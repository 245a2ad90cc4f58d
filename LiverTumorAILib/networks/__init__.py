"""Networks in torch; only training and export need them."""

from LiverTumorAILib.networks.unet2d import ARCHITECTURES_2D, SliceWise, UNet2D, build_unet2d
from LiverTumorAILib.networks.unet3d import UNet3D

__all__ = ["ARCHITECTURES_2D", "SliceWise", "UNet2D", "UNet3D", "build_unet2d"]
