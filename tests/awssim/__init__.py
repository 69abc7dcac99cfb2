"""The AWS simulator, tested as a program that uses boto3 sees it."""
