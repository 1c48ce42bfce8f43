locals {
  services     = toset(["ebit-api-core", "ebit-api-auth", "ebit-api-bet", "ebit-api-rt", "ebit-api-worker", "ebit-fe"])
  ecr_registry = split("/", aws_ecr_repository.service["ebit-api-core"].repository_url)[0]
}

resource "aws_ecr_repository" "service" {
  for_each = local.services

  name = each.key
  # The images are built from the checkout; nothing is lost with the environment.
  force_delete = true

  image_scanning_configuration {
    scan_on_push = false
  }

  tags = merge(local.tags, { Name = each.key })
}

resource "aws_ecr_lifecycle_policy" "service" {
  for_each = aws_ecr_repository.service

  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the newest ${var.images_kept} images"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.images_kept }
      action       = { type = "expire" }
    }]
  })
}
