"""Tables of the user's own images that are not what they should be."""

from hostile import listed
from source_fakes import class_tree

HEAD = "file,label\n"
GROUPED = "".join(f"{name},{name.split('/')[0]},p{number}\n" for number, name in enumerate(class_tree()))
SPLITS = ["train", "train", "train", "train", "val", "val", "test", "test"]
SPLIT = [f"{name},{name.split('/')[0]},p{number},{SPLITS[number % 8]}\n" for number, name in enumerate(class_tree())]
BOTH = [line.replace(",p6,", ",p0,") for line in SPLIT]

CASES = {
    "a table of nothing": listed("", r"table.csv: found columns \[\], wanted also file, label"),
    "a table of a header": listed(HEAD, "found no rows under the header"),
    "a table without labels": listed("file,class\n{rows}", "found columns .'file', 'class'., wanted also label"),
    "columns in another case": listed(
        "File,Label\n{rows}", "found columns .'File', 'Label'., wanted also file, label, written so"
    ),
    "a column twice": listed("file,label,label\napple/0.png,apple,bear\n", "found the column 'label' twice"),
    "semicolons": listed("file;label\napple/0.png;apple\n", "divided by semicolons: save it with commas"),
    "tabulators": listed("file\tlabel\napple/0.png\tapple\n", "divided by tabulators: save it with commas"),
    "a table that is not UTF-8": listed("file,label\nä.png,ä\n".encode("latin-1"), r"not UTF-8 text \(byte 11\)"),
    "a table of UTF-16": listed((HEAD + "a,b\n").encode("utf-16"), "is UTF-16 text"),
    "an Excel workbook": listed(b"PK\x03\x04\xff", "is an Excel workbook or a zip"),
    "a group that is not called so": listed("file,label,Group\n" + GROUPED, "found the column 'Group', wanted 'group'"),
    "a patient and no group": listed("file,label,patient_id\n" + GROUPED, "'patient_id' and no column 'group'"),
    "a table of another folder": listed(HEAD + "".join(f"x{name},a\n" for name in class_tree()), "of 24 files 24 are missing"),
    "a table with a zero byte": listed(b"file,label\napple/0.png,ap\0ple\n", "line 2: .*(NUL|printable)"),
    "too many cells": listed(HEAD + "{rows}apple/x.png,apple,bear\n", "line 26: found 3 cells, wanted 2"),
    "too few cells": listed(HEAD + "{rows}apple/x.png\n", "line 26: found 1 cells, wanted 2"),
    "an open quotation mark": listed(HEAD + '{rows}"apple/x.png,apple\n', "line 26: unexpected end of data"),
    "an empty label": listed(HEAD + "{rows}apple/x.png,\n", "line 26: found no label"),
    "a label of spaces": listed(HEAD + "{rows}apple/x.png,  \n", "line 26: found no label"),
    "a label with a space": listed(HEAD + "{rows}apple/x.png,apple \n", "line 26: found label 'apple '"),
    "an empty file name": listed(HEAD + "{rows},apple\n", "line 26: found no file"),
    "labels that differ by case": listed(HEAD + "apple/0.png,Apple\napple/1.png,apple\nbear/0.png,bear\n", "'Apple' and 'apple'"),
    "a label with a line break": listed(HEAD + 'apple/0.png,"ap\nple"\n', r"found label 'ap\\nple'"),
    "a file twice": listed(HEAD + "{rows}apple/0.png,bear\n", r"line 26: found file 'apple/0\.png' again \(first in line 2\)"),
    "an unknown file": listed(HEAD + "{rows}apple/none.png,apple\n", r"line 26: found no file .*apple/none\.png"),
    "a folder for a file": listed(HEAD + "{rows}apple,apple\n", "line 26: found no file .*apple"),
    "an absolute path": listed(HEAD + "{rows}/etc/hostname,apple\n", "line 26: found file '/etc/hostname', wanted its plain"),
    "a path that leads out": listed(HEAD + "{rows}../x.png,apple\n", r"line 26: found file '\.\./x\.png', wanted its plain"),
    "a path of Windows": listed(HEAD + "{rows}apple\\0.png,apple\n", "with / between the parts"),
    "a path in two ways": listed(HEAD + "{rows}./apple/0.png,apple\n", r"found file '\./apple/0\.png', wanted its plain"),
    "one label": listed(HEAD + "apple/0.png,apple\napple/1.png,apple\n", "found only the class 'apple'"),
    "a label of one image": listed(HEAD + "{rows}table.csv,rare\n", "'rare': 1 images"),
    "a row that is no image": listed(HEAD + "{rows}table.csv,bear\n", r"table\.csv \(.*line 26\): it begins with b'file,lab'"),
    "groups that differ by case": listed("file,label,group\n" + GROUPED.replace(",p3\n", ",P4\n"), "found groups 'P4' and 'p4'"),
    "an unknown split": listed(
        "file,label,group,split\n" + "".join(SPLIT).replace(",val\n", ",dev\n"), "split 'dev', wanted train"
    ),
    "an empty split": listed("file,label,group,split\n" + "".join(SPLIT).replace(",val\n", ",\n"), "found no split"),
    "an empty group": listed("file,label,group\n" + GROUPED.replace(",p3\n", ",\n"), "line 5: found no group"),
    "a group in two splits": listed(
        "file,label,group,split\n" + "".join(BOTH), r"1 groups with images in two splits \(the first: 'p0'\)", test_fraction=None
    ),
    "one group of a class": listed(
        "file,label,group\n" + "".join(f"{name},{name[0]},{name[0]}\n" for name in class_tree()), "'a': 1 groups, 'b': 1 groups"
    ),
    "two classes in all groups": listed(
        "file,label,group\n" + "".join(f"{name},{name[0]},p{name[-5]}\n" for name in class_tree()),
        "in 2 of 3 classes .'b': 0 groups, 'c': 0 groups.; .*most of its images",
    ),
}
