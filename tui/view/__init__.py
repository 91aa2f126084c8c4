"""What stands on the screen, as lines of text and roles of colour: made from a `RunView`, pure.

Apart from the widgets so that each line of each screen is tested as text, without an app. Nothing
here knows Textual, a colour or a file.
"""
