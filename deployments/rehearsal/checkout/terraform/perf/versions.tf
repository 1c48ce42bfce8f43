terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.62, < 6.0"
    }
  }

  # Short-lived environment, one operator at a time: the state stays beside the code.
  backend "local" {}
}

provider "aws" {
  region = var.region
}
