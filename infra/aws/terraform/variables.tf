variable "application" {
  description = "The runbook's `application`. It tags everything, and the roles may change only what carries the tag."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,62}$", var.application))
    error_message = "Small letters, digits and hyphens, as in the runbook."
  }
}

variable "network_range" {
  description = "The application's addresses; not those of the other region, when the two are to be joined."
  type        = string
  default     = "10.2.0.0/16"
}

variable "drill_range" {
  description = "The addresses of drills. Nothing is ever joined to them."
  type        = string
  default     = "10.99.0.0/16"
}

variable "image" {
  description = "An AMI of this region; a copy of the one that the application is started from at the other site."
  type        = string
}

variable "instance_type" {
  type    = string
  default = "t3.small"
}

variable "largest" {
  description = "The most instances that the fleet may ever have. The runbook's `desired` is at most that."
  type        = number
  default     = 6
}

variable "port" {
  description = "On which the application answers."
  type        = number
  default     = 8080
}

variable "health_path" {
  type    = string
  default = "/healthz"
}

variable "register_table" {
  description = "The runbook's `register_table`. The policies name the table `seawall`."
  type        = string
  default     = "seawall"
}

variable "roles" {
  description = "Whether the five roles are made too: once an account, with the region that is set up first."
  type        = bool
  default     = true
}

variable "worker" {
  description = "The ARN of the identity that the workers have, which takes the roles on."
  type        = string
  default     = ""
  validation {
    condition     = !var.roles || can(regex("^arn:aws[a-z-]*:iam::\\d{12}:(role|user)/.+$", var.worker))
    error_message = "The roles need somebody who may take them on."
  }
}

variable "external_id" {
  description = "The runbook's `external_id`."
  type        = string
  default     = ""
  validation {
    condition     = !var.roles || length(var.external_id) >= 8
    error_message = "Eight characters or more, which nobody else's configuration has."
  }
}
