from cogpack.cli import main

main()
